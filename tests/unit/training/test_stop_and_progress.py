import io
import os
import signal
import threading
import time

import pytest
import torch
from rich.console import Console

from after.errors import AfterError, TrainingError
from after.settings import OptimizerSettings
from after.training.progress import TrainingProgress
from after.training.stop import StopRequest, check_finite


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_request_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        assert stop.reason == f"{number.name} received"
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_hard() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_time_limit_becomes_a_request() -> None:
    with StopRequest(time_limit_s=0.02) as stop:
        assert stop.reason is None
        time.sleep(0.03)
        assert stop.reason == "time limit of 0.02 s reached"


def test_outside_the_main_thread_the_time_limit_works() -> None:
    reasons: list[str | None] = []

    def work() -> None:
        with StopRequest(time_limit_s=0) as stop:
            reasons.append(stop.reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reasons == ["time limit of 0 s reached"]


@pytest.mark.parametrize("loss", [float("nan"), torch.tensor(float("inf"), requires_grad=True)])
def test_losses_that_are_not_finite_stop_training(loss: float | torch.Tensor) -> None:
    with pytest.raises(TrainingError, match="at iteration 12") as caught:
        check_finite(loss, 12)
    assert isinstance(caught.value, AfterError)
    check_finite(torch.tensor(1.0, requires_grad=True), 12)


def test_the_message_names_the_number_and_settings_that_exist() -> None:
    with pytest.raises(TrainingError, match="the gradient norm is nan at iteration 3") as caught:
        check_finite(torch.tensor(float("nan")), 3, "gradient norm")
    assert "training.optimizer.learning_rate" in str(caught.value)
    assert "max_grad_norm" in str(caught.value)
    OptimizerSettings(learning_rate=1e-4, max_grad_norm=0.5)


def test_without_a_terminal_lines_come_every_interval() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    with TrainingProgress(100, start=50, audio_s_per_iteration=2.0, line_interval_s=0.1, console=console) as progress:
        for iteration in range(51, 101):
            time.sleep(0.004)
            progress.update(iteration, {"loss": torch.tensor(0.5, requires_grad=True)})
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert 3 <= len(lines) <= 6
    assert lines[0].startswith("iteration 51/100  loss 0.5")
    assert lines[-1].startswith("iteration 100/100")
    assert "audio s/s  0:00:00 left" in lines[-1]


def test_on_a_terminal_there_is_a_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with TrainingProgress(10, console=console) as progress:
        for iteration in range(1, 11):
            progress.update(iteration, {"loss": 0.25})
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "10/10" in text
    assert "loss 0.25" in text


def test_updates_are_cheap() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with TrainingProgress(10**9, console=console) as progress:
        start_s = time.perf_counter()
        for iteration in range(1000):
            progress.update(iteration, {"loss": 0.5})
        assert time.perf_counter() - start_s < 0.1
