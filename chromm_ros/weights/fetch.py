"""Published files from the Hugging Face hub, on explicit request only."""

from pathlib import Path

from chromm_ros.errors import FileError, require
from chromm_ros.weights.catalogue import Publication


def fetch(publication: Publication, endpoint: str | None = None) -> Path:
    """Download a published file into the hub's own cache, with its progress.

    What was downloaded before is not fetched again, and what broke off goes on where it stopped.

    Args:
        publication: which one.
        endpoint: another hub; None: the public one, or that of the environment's HF_ENDPOINT.

    Raises:
        DependencyError: if huggingface_hub is not installed.
        FileError: if the file is not on the hub for everyone, or the hub cannot be reached.
    """
    if not publication.hub:
        raise FileError(
            f"{publication.name} is not fetched by us: its licence ({publication.licence_address}) has to be agreed to first; "
            f"then download {publication.address} and run `python -m chromm_ros weights import {publication.file}`"
        )
    hub = require("huggingface_hub", extra="hub")
    unreachable = (OSError, require("huggingface_hub.errors", extra="hub").HTTPError)  # the latter: httpx's, while bytes flow
    try:
        return Path(hub.hf_hub_download(publication.hub, publication.file, endpoint=endpoint))
    except unreachable as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileError(
            f"{publication.name} could not be fetched ({reason}): try again, it goes on where it stopped, or download "
            f"{publication.address} yourself and run `python -m chromm_ros weights import {publication.file}`"
        ) from None
