"""Optional packages that only some functions need."""

from importlib import import_module


def import_extra(module, user, extra):
    """Return a module of an optional package.

    Parameters
    ----------
    module : str
        Full name of the module.
    user : str
        Function that needs it, for the message.
    extra : str
        The extra of this package that installs it.

    Raises
    ------
    ImportError
        If it is not installed. The message says what to install.
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
        Function that needs it, for the message.
    instead : str
        Alternative without the package, which is the message's last sentence.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{user} needs {package}: pip install {package}. {instead}", name=package
        ) from error
