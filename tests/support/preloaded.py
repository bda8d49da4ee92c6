"""What `forked` has its server import: all that commands import, but not they, which run as main.

The garbage collector goes through every object time and again while TensorFlow is imported, a
second of the processor, and again in every process that is forked, whose memory it has copied by
touching it. What is frozen it leaves alone.
"""

import gc

gc.disable()
import tfcyclegan.evaluation.run  # noqa: E402
import tfcyclegan.training.fit  # noqa: E402
import tfcyclegan.training.setup  # noqa: E402
import tfcyclegan.translation.run  # noqa: E402, F401

gc.collect()
gc.freeze()
gc.enable()
