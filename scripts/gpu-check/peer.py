"""The peer of gpu-check: PyTorch's training step of the same network on the same GPU. Reads one JSON
request a line and answers with one JSON line:

  {"cmd": "info"}
  {"cmd": "prepare", "network": n, "batch": b, "precision": p, "device": d,
   "memory_format": "channels_last", "graphed": true, "compiled": false}
  {"cmd": "time", "steps": n}            milliseconds of one of n steps

Policy: images are floats that lie on the device already, Adam is fused, and the loss is read once per
block of steps. Which variant is fastest is for the caller to find.
"""

import gc
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))
from json_lines import serve  # noqa: E402
from networks import AlexNet, LeNet  # noqa: E402  (needs the path above)

NETWORKS = {"alexnet": (AlexNet, 224), "lenet": (LeNet, 28)}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def set_precision(tf32: bool) -> None:
    """Whether products of f32 operands round them to tf32, said in the ways of old and new PyTorch."""
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
    except Exception:  # newer versions may refuse the older settings
        kind = "tf32" if tf32 else "ieee"
        torch.backends.cuda.matmul.fp32_precision = kind
        torch.backends.cudnn.conv.fp32_precision = kind


class Subject:
    """A network, its optimizer and one batch on a device; step() runs one training step."""

    def __init__(self, request: dict) -> None:
        device = request["device"]
        self.cuda = device.startswith("cuda")
        set_precision(request["precision"] == "tf32")
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        network, size = NETWORKS[request["network"]]
        layout, batch = FORMATS[request["memory_format"]], request["batch"]
        graphed = request["graphed"]
        net = network().to(device, memory_format=layout)
        options = {"fused": True, "capturable": graphed} if self.cuda else {}
        self.optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, **options)
        self.net = torch.compile(net) if request["compiled"] else net
        self.loss = nn.CrossEntropyLoss()
        self.image = torch.rand(batch, 1, size, size).to(device, memory_format=layout)
        self.label = (torch.arange(batch) % 10).to(device)
        self.autocast = request["precision"] == "bf16"
        self.step = self.eager
        if graphed:
            self.capture()

    def eager(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        kind = "cuda" if self.cuda else "cpu"
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.loss(self.net(self.image), self.label)
        loss.backward()
        self.optimizer.step()
        return loss

    def capture(self) -> None:
        """Records the step, after a few on a side stream as torch.cuda.graph asks for."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.eager()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            loss = self.eager()

        def replay() -> torch.Tensor:
            self.graph.replay()
            return loss

        self.step = replay

    def time(self, steps: int) -> float:
        """Milliseconds of one of `steps` steps."""
        self.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        loss.item()
        self.synchronize()
        return (time.perf_counter() - start) * 1e3 / steps

    def synchronize(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


class Peer:
    """The one subject that is held in memory."""

    def __init__(self) -> None:
        self.subject: Subject | None = None

    def answer(self, request: dict) -> dict:
        match request["cmd"]:
            case "info":
                return {
                    "version": torch.__version__,
                    "cuda": torch.version.cuda,
                    "cudnn": torch.backends.cudnn.version(),
                    "available": torch.cuda.is_available(),
                }
            case "prepare":
                # Frees the old one, which holds itself, before the new one is made.
                self.subject = None
                gc.collect()
                self.subject = Subject(request)
                return {"ms": self.subject.time(3)}
            case "time":
                if self.subject is None:
                    raise ValueError("nothing was prepared")
                return {"ms": self.subject.time(request["steps"])}
            case other:
                raise ValueError(f"unknown command {other!r}")


def main() -> None:
    serve(Peer().answer)


if __name__ == "__main__":
    main()
