"""Where the networks of features run, and on how many threads."""

import multiprocessing

import torch

from after.device import pick_device


def pick_worker_device(name: str) -> torch.device:
    """Do what `pick_device` does; a worker process is one of many, so its networks get one thread of the CPU."""
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    return pick_device(name)
