"""Whether the hub of published weights answers, asked once and briefly: its own client would retry for more
than a minute before it says so.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

from lightfast.base.errors import DownloadError

PROBE_SECONDS = 5.0
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def hub_answers() -> bool:
    """Whether the hub answers within `PROBE_SECONDS`, with whatever it says; never when its own setting
    HF_HUB_OFFLINE asks to stay offline.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urllib.request.urlopen(
            urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=PROBE_SECONDS
        ).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # Certificates are the business of the hub's own client, which may know others.
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False
    return True


def weights_here(identifier: str) -> bool:
    """Whether timm's published weights of the architecture `identifier` lie in the hub's cache, or come from
    elsewhere than the hub.
    """
    import timm
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(identifier)
    repository = getattr(config, "hf_hub_id", None)
    if not repository:
        return True
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in _WEIGHTS)


def require_published(identifier: str) -> None:
    """Raise DownloadError, within seconds, when timm's published weights of `identifier` are not here and
    cannot be fetched.
    """
    if weights_here(identifier) or hub_answers():
        return
    raise DownloadError(
        f"weights of {identifier} could not be fetched (the hub does not answer)",
        cure="Check the connection, give a file (`config.weights=FILE`), or take `model` lite0, whose "
        "weights are installed.",
    )
