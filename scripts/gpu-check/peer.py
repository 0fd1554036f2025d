"""The peer of gpu-check: PyTorch's AlexNet training step on the same GPU, as fast as PyTorch's own
settings make it. Reads one JSON request a line and answers with one JSON line.

Policy: images are floats that lie on the device already, the loss is read once per block of steps,
and every variant (memory format, with or without a CUDA graph) is tried before one is measured.
"""

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


class Subject:
    """A network, its optimizer and one batch on a device; step() runs one training step."""

    def __init__(self, request: dict, memory_format: str, graphed: bool) -> None:
        device, precision = request["device"], request["precision"]
        self.cuda = device.startswith("cuda")
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        network, size = NETWORKS[request["network"]]
        layout, batch = FORMATS[memory_format], request["batch"]
        self.net = network().to(device, memory_format=layout)
        options = {"fused": True, "capturable": graphed}
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, **options)
        self.loss = nn.CrossEntropyLoss()
        self.image = torch.rand(batch, 1, size, size).to(device, memory_format=layout)
        self.label = (torch.arange(batch) % 10).to(device)
        self.autocast = precision == "bf16"
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

    def prepare(self, request: dict) -> dict:
        """Tries every variant and keeps the fastest."""
        times: dict[str, float] = {}
        failures: dict[str, str] = {}
        best = None
        graphs = [False, True] if request["device"].startswith("cuda") else [False]
        for memory_format in FORMATS:
            for graphed in graphs:
                name = f"{memory_format}, {'CUDA graph' if graphed else 'eager'}"
                self.subject = None  # frees the old one before the new one is made
                try:
                    self.subject = Subject(request, memory_format, graphed)
                    self.subject.time(3)
                    times[name] = self.subject.time(request["steps"])
                except RuntimeError as error:
                    failures[name] = str(error).splitlines()[0]
                    continue
                if best is None or times[name] < times[best[0]]:
                    best = (name, memory_format, graphed)
        if best is None:
            raise RuntimeError(f"no variant runs: {failures}")
        self.subject = None
        self.subject = Subject(request, best[1], best[2])
        self.subject.time(3)
        return {"variant": best[0], "times": times, "failures": failures}

    def answer(self, request: dict) -> dict:
        match request["cmd"]:
            case "info":
                return {
                    "name": "PyTorch",
                    "version": torch.__version__,
                    "cuda": torch.version.cuda,
                    "cudnn": torch.backends.cudnn.version(),
                    "available": torch.cuda.is_available(),
                }
            case "prepare":
                return self.prepare(request)
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
