"""Torch devices by their names."""


class UnavailableDeviceError(ValueError):
    """A device is not there."""


def resolve_device(device):
    """Return the torch.device with its index, or None for None.

    Parameters
    ----------
    device : str, torch.device or None

    Raises
    ------
    UnavailableDeviceError
        If it is not there; the message lists those that are.
    """
    if device is None:
        return None
    import torch

    try:
        # There and back is the test that is true; it also keeps weights off "meta", which
        # has no way back.
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
