"""Torch devices by name, and torch's global generators."""

from contextlib import contextmanager


class UnavailableDeviceError(ValueError):
    """A device is not available."""


def resolve_device(device):
    """Return the torch.device with its index, or None for None.

    Parameters
    ----------
    device : str, torch.device or None

    Raises
    ------
    UnavailableDeviceError
        If it is not available. The message lists the available devices.
    """
    if device is None:
        return None
    import torch

    try:
        # Copying there and back is the reliable test. It also refuses "meta", which has no way
        # back.
        probe = torch.empty(1, device=device)
        probe.cpu()
        return probe.device
    except Exception as error:
        available = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            available.append("mps")
        raise UnavailableDeviceError(
            f"device={str(device)!r} is not available here; available: {', '.join(available)}."
        ) from error


@contextmanager
def seeded_torch(seed):
    """Seed torch within the context, and restore every global generator afterwards.

    ``torch.manual_seed`` seeds devices too, some only when they are first used, and
    ``torch.random.fork_rng`` does not restore all of them. Here the devices in use are seeded. The
    generators belong to the process, so code that several threads may call needs a lock.

    Parameters
    ----------
    seed : int
    """
    import torch

    generators: list = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    if torch.backends.mps.is_available():
        generators.append(_MetalGenerator(torch.mps))
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


class _MetalGenerator:
    """The generator of Apple's devices, for which torch has functions but no object."""

    def __init__(self, mps):
        self.get_state, self.set_state = mps.get_rng_state, mps.set_rng_state
        self.manual_seed = mps.manual_seed
