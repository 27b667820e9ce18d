"""Where the package's files beside its Python modules are: in a source checkout, or in a workspace's `share` folder."""

from pathlib import Path


def package_folder(name: str) -> Path | None:
    """The folder `msg`, `config` or `launch` of this package, or None where only the Python modules are installed."""
    here = Path(__file__).resolve()
    source = here.parents[2]
    if (source / "package.xml").is_file() and (source / name).is_dir():
        return source / name
    shares = (parent / "share" / "chromm_ros" / name for parent in here.parents)
    return next((folder for folder in shares if folder.is_dir()), None)
