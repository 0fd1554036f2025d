"""PyTorch's times of the rows of ts/test/op-cases.json, in float32: what peer_pytorch.py answers
to {"cmd": "op", "op": o, "case": c, "runs": n} with {"forward": ms, "backward": ms or null}.

Tensors are contiguous, as the rows describe them. A backward pass is that of sum(gy * y) by every
input; an optimizer's forward is one step.
"""

import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from ops import (
    CLASS_LOSSES,
    ELEMENT_LOSSES,
    FORWARDS,
    TABLE,
    Case,
    batch_norm_of,
    class_loss_of,
    element_loss_of,
    normalised,
    optimizer_of,
)

Work = Callable[[], object]


def median_ms(runs: int, work: Work, prepare: Work = lambda: None) -> float:
    times = []
    for _ in range(runs + 1):  # the first is not counted
        prepare()
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[1:])


def forward_of(case: Case) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor]]:
    """The operation on inputs of its own, and those that have gradients."""
    a = case.attrs
    tensors = {name: case.tensor(name).float() for name in case.shapes}
    if case.op == "toFloat":
        image = tensors["x"].to(torch.uint8)
        return (lambda: normalised(image, a)), []
    if case.op in CLASS_LOSSES:
        if tensors["labels"].ndim == 1:
            tensors["labels"] = tensors["labels"].long()
        x = tensors[CLASS_LOSSES[case.op]].requires_grad_()
        return (lambda: class_loss_of(tensors, a).sum()), [x]
    if case.op in ELEMENT_LOSSES:
        x = tensors["input"].requires_grad_()
        return (lambda: element_loss_of(case.op, tensors, a).sum()), [x]
    if case.op in ("batchNorm", "batchNormInference"):
        leaves = [tensors[name].requires_grad_() for name in tensors if name in "xwb"]
        return (lambda: batch_norm_of(tensors, a)), leaves
    if case.op == "batchNormUpdate":  # which PyTorch has as a part of the forward pass alone
        layer = torch.nn.BatchNorm2d(tensors["x"].shape[1], momentum=a["momentum"])
        return (lambda: layer(tensors["x"])), []
    if case.op == "dropout":
        x = tensors["x"].requires_grad_()
        return (lambda: F.dropout(x, a["p"])), [x]
    leaves = list(tensors.values()) if case.gradients else []
    for leaf in leaves:
        leaf.requires_grad_()
    return (lambda: FORWARDS[case.op](tensors, a)), leaves


def time_optimizer(case: Case, runs: int) -> dict:
    p = case.tensor("p").float().requires_grad_()
    p.grad = case.tensor("g.1", list(p.shape), like="g").float()
    return {"forward": median_ms(runs, optimizer_of(case, p).step), "backward": None}


def time_case(op: str, name: str, runs: int) -> dict:
    group = json.loads(TABLE.read_text())[op]
    case = Case(op, group, name, group["cases"][name])
    if op in ("adamStep", "rmspropStep", "sgdStep"):
        return time_optimizer(case, runs)
    forward, leaves = forward_of(case)
    forward_ms = median_ms(runs, forward)
    if not leaves:
        return {"forward": forward_ms, "backward": None}
    outputs: list[torch.Tensor] = []
    gy = torch.ones_like(forward())

    def prepare() -> None:
        outputs[:] = [forward()]

    def backward() -> None:
        torch.autograd.grad(outputs[0], leaves, gy)

    return {"forward": forward_ms, "backward": median_ms(runs, backward, prepare)}
