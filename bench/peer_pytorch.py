"""The PyTorch side of `npm run bench`: one timed unit of work per request.

Owns the peer's networks and their settings. The process reads one JSON object a line from
standard input and answers with one JSON object a line; between requests it only waits for input,
so that its OpenMP threads sleep (libgomp stops spinning after a few milliseconds, and the caller
pauses longer than that before it times anything of its own).

Requests:
  {"cmd": "info", "threads": n}                      versions and settings
  {"cmd": "network", "name": s, "image": [c, h, w]}  the network of the requests that follow, see
                                                     peer_networks.py; starts with default settings
  {"cmd": "calibrate", "batch": n, "rounds": r}      times each memory format and each Adam, keeps the fastest
  {"cmd": "use", "memoryFormat": f, "adam": a}        settings that another process calibrated
  {"cmd": "time", "unit": u, "batch": n}             runs u once and answers {"ms": milliseconds}
    u: step, forward, backward, optimizer, inference
  {"cmd": "memory", "batch": n, "steps": s}          peak resident memory after s training steps
  {"cmd": "op", "op": o, "case": c, "runs": n}       a row of ts/test/op-cases.json: see peer_ops.py

Policy: PyTorch gets what is best for it. It runs eager with the faster memory format and the
fastest implementation of Adam, found by `calibrate` in the same run, and its images are already
float tensors in that format.
"""

import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts/fixtures"))
from json_lines import serve  # noqa: E402
from peer_networks import network_of  # noqa: E402  (needs the same folder)
from peer_ops import time_case  # noqa: E402  (needs the same folder)

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
ADAMS = {
    "for-loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


class Subject:
    """A network, its optimizer and one batch, in one memory format, with one Adam."""

    def __init__(
        self, network: str, image: list[int], batch: int, memory_format: str, adam: str
    ) -> None:
        torch.manual_seed(0)
        layout = FORMATS[memory_format]
        self.batch = batch
        self.net = network_of(network).to(memory_format=layout)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, **ADAMS[adam])
        self.loss = nn.CrossEntropyLoss()
        self.image = torch.rand(batch, *image).contiguous(memory_format=layout)
        self.label = torch.arange(batch) % 10

    def forward(self) -> torch.Tensor:
        return self.loss(self.net(self.image), self.label)

    def time(self, unit: str) -> float:
        """Runs one unit and returns its milliseconds; what leads up to it is not timed."""
        if unit == "inference":
            self.net.eval()
            with torch.inference_mode():
                start = time.perf_counter()
                self.net(self.image)
                return (time.perf_counter() - start) * 1e3
        self.net.train()
        start = time.perf_counter()
        if unit == "step":
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.forward()
            loss.backward()
            self.optimizer.step()
            loss.item()
        elif unit == "forward":
            self.forward()
        elif unit == "backward":
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.forward()
            start = time.perf_counter()
            loss.backward()
        elif unit == "optimizer":
            # Gradients of the last backward stay in place, as after a step.
            start = time.perf_counter()
            self.optimizer.step()
        else:
            raise ValueError(f"unknown unit {unit!r}")
        return (time.perf_counter() - start) * 1e3


class Peer:
    """The settings that `calibrate` found, and the one subject that is held in memory."""

    def __init__(self) -> None:
        self.use("alexnet", [1, 224, 224])

    def use(self, network: str, image: list[int]) -> dict:
        self.network, self.image = network, image
        self.memory_format = "contiguous"
        self.adam = "fused"
        self.subject: Subject | None = None
        return {}

    def make(self, batch: int, memory_format: str, adam: str) -> Subject:
        return Subject(self.network, self.image, batch, memory_format, adam)

    def prepare(self, batch: int) -> Subject:
        if self.subject is None or self.subject.batch != batch:
            self.subject = None  # frees the old one before the new one is made
            self.subject = self.make(batch, self.memory_format, self.adam)
        return self.subject

    def info(self, threads: int) -> dict:
        torch.set_num_threads(threads)
        return {
            "name": "PyTorch",
            "version": torch.__version__,
            "cpuCapability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "python": sys.version.split()[0],
        }

    def calibrate(self, batch: int, rounds: int) -> dict:
        formats: dict[str, float] = {}
        for memory_format in FORMATS:
            self.subject = None
            subject = self.make(batch, memory_format, "fused")
            subject.time("step")
            formats[memory_format] = statistics.median(subject.time("step") for _ in range(rounds))
        self.memory_format = min(formats, key=formats.__getitem__)
        adams: dict[str, float] = {}
        for adam in ADAMS:
            subject = self.make(1, self.memory_format, adam)
            subject.time("step")
            adams[adam] = statistics.median(subject.time("optimizer") for _ in range(rounds + 2))
        self.adam = min(adams, key=adams.__getitem__)
        return {
            "memoryFormat": self.memory_format,
            "memoryFormatMs": formats,
            "adam": self.adam,
            "adamMs": adams,
        }

    def memory(self, batch: int, steps: int) -> dict:
        subject = self.prepare(batch)
        for _ in range(steps):
            subject.time("step")
        return {"peakBytes": peak_bytes()}

    def answer(self, request: dict) -> dict:
        match request["cmd"]:
            case "info":
                return self.info(request["threads"])
            case "network":
                return self.use(request["name"], request["image"])
            case "calibrate":
                return self.calibrate(request["batch"], request["rounds"])
            case "use":
                self.memory_format = request["memoryFormat"]
                self.adam = request["adam"]
                self.subject = None
                return {}
            case "time":
                return {"ms": self.prepare(request["batch"]).time(request["unit"])}
            case "memory":
                return self.memory(request["batch"], request["steps"])
            case "op":
                return time_case(request["op"], request["case"], request["runs"])
            case other:
                raise ValueError(f"unknown command {other!r}")


def peak_bytes() -> int:
    """The largest resident set this process has had (VmHWM of /proc/self/status)."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def main() -> None:
    torch.set_num_interop_threads(1)
    serve(Peer().answer)


if __name__ == "__main__":
    main()
