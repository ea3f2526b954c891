"""Packages that only some of the functions need."""

from importlib import import_module


def import_extra(module, user, extra):
    """Return a module of an optional package.

    Parameters
    ----------
    module : str
        Its full name.
    user : str
        Who needs it, for the message.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    ImportError
        If it is not there; the message says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f'{user} needs {package}: pip install "sklearn-koopman[{extra}]"', name=package
        ) from error


def import_package(package, user, instead):
    """Return an optional package that no extra of this package installs.

    Parameters
    ----------
    package : str
    user : str
        Who needs it, for the message.
    instead : str
        What does without it; the message's last sentence.

    Raises
    ------
    ImportError
        If it is not there.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{user} needs {package}: pip install {package}. {instead}", name=package
        ) from error
