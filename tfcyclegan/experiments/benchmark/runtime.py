"""Times one runtime on one network, in a process that needs that runtime and NumPy only.

python runtime.py '{"runtime": "openvino", "model": "DIRECTORY", "size": 256, "batch": 8,
"steps": 5, "filters": 64, "blocks": 9}'

The only line of output is a JSON object: seconds to load, seconds of the first call, and for one
slice and for a batch the least seconds of a call, by the clock and of the processor.
"""

import json
import resource
import sys
import time

import numpy as np


def tensorflow(settings: dict):
    """Returns the default signature of the SavedModel."""
    import tensorflow as tf

    def load():
        signature = tf.saved_model.load(settings["model"]).signatures["serving_default"]
        return lambda image: signature(image=tf.constant(image))["image"].numpy()

    return load


def openvino(settings: dict):
    """Returns the default signature of the SavedModel, read without TensorFlow."""
    import openvino

    def load():
        core = openvino.Core()
        model = core.read_model(settings["model"])
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda image: compiled(image)[0]

    return load


def torch(settings: dict):
    """Returns the same network with random weights, as users of PyTorch run it."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, width: int):
            super().__init__()
            first = (nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False))
            last = (nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False))
            norm = nn.InstanceNorm2d(width)
            self.body = nn.Sequential(*first, norm, nn.ReLU(True), *last, nn.InstanceNorm2d(width))

        def forward(self, image):
            return image + self.body(image)

    def normalized(layer, width: int) -> tuple:
        return layer, nn.InstanceNorm2d(width), nn.ReLU(True)

    def load():
        k = settings["filters"]
        layers = [nn.ReflectionPad2d(3), *normalized(nn.Conv2d(1, k, 7, bias=False), k)]
        for width in (2 * k, 4 * k):
            down = nn.Conv2d(width // 2, width, 3, 2, 1, bias=False)
            layers += normalized(down, width)
        layers += [Residual(4 * k) for _ in range(settings["blocks"])]
        for width in (2 * k, k):
            up = nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=False)
            layers += normalized(up, width)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(k, 1, 7), nn.Tanh()]
        model = nn.Sequential(*layers).eval()

        def run(image: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                source = torch.from_numpy(image).permute(0, 3, 1, 2) * 2 - 1
                return ((model(source) + 1) / 2).permute(0, 2, 3, 1).numpy()

        return run

    return load


RUNTIMES = {"tensorflow": tensorflow, "openvino": openvino, "torch": torch}


def main(settings: dict) -> dict:
    load = RUNTIMES[settings["runtime"]](settings)
    run, loading = _timed(load)
    shape = (settings["size"], settings["size"], 1)
    images = np.random.default_rng(0).uniform(0, 1, (settings["batch"], *shape)).astype("float32")
    _, first_call = _timed(lambda: run(images[:1]))
    figures = {"load_seconds": loading[0], "first_seconds": first_call[0]}
    for name, source in (("one", images[:1]), ("batch", images)):
        run(source)
        times = [_timed(lambda source=source: run(source))[1] for _ in range(settings["steps"])]
        figures[f"seconds_{name}"], figures[f"cpu_seconds_{name}"] = map(
            min, zip(*times, strict=True)
        )
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return figures


def _timed(action) -> tuple:
    """Returns what an action returns, and its seconds by the clock and of the processor."""
    start = time.perf_counter(), time.process_time()
    result = action()
    return result, (time.perf_counter() - start[0], time.process_time() - start[1])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
