"""Runs recipes against each other, at equal time or steps, on patients that are held out.

python tools/ablation.py --study=studies/phantom.toml --output=DIR --budget_minutes=60
"""

from tfcyclegan import config
from tfcyclegan.experiments.ablation.run import run

if __name__ == "__main__":
    config.run(run, config.AblationConfig)
