"""Passwords, kept as argon2id hashes (RFC 9106)."""

from __future__ import annotations

import threading
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import Field, SecretStr

from lightfast.base.errors import SettingsError

SHORTEST, LONGEST = 8, 256
NewPassword = Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST)]
"""A password that somebody is to have."""
_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each hash takes 64 MB and a core for some hundredths of a second: more at once would starve the rest."""
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$3HtvW/yPm8pgLMDN99GyDg$sxacK/GkqcOV/KuXOnYT1169VBvhoYlmybQftOCAQ5o"
"""Compared with where nobody has the name, so that the time does not tell who is there."""


def hash_password(password: str) -> str:
    """The hash to keep. Raises SettingsError for a password of fewer than 8 or more than 256 signs."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise SettingsError("the password", expected=f"{SHORTEST} to {LONGEST} signs", got=f"{len(password)}")
    with _AT_ONCE:
        return _HASHER.hash(password)


def password_fits(password: str, kept: str | None) -> bool:
    """Whether the password is the one of this hash; without a hash it takes as long, and is not."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _NOBODY, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False
