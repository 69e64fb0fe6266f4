"""The tracker's address, and the token."""

from __future__ import annotations

import ipaddress
import warnings

import httpx

from .errors import NotAllowedError, WrongAddressError


def address_of(url: str) -> str:
    """The address without a final slash. A path is kept: trackers may be behind one."""
    example = "Give the address of the dashboard, for example https://tracker.example.org."
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, AttributeError, TypeError) as error:
        raise WrongAddressError("invalid_url", f"{url!r} is no address: {error}. {example}") from None
    # httpx escapes what no host name may contain.
    if parsed.scheme not in ("http", "https") or not parsed.host or "%" in parsed.host:
        raise WrongAddressError("invalid_url", f"{url!r} is no address of a website. {example}")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise WrongAddressError(
            "invalid_url", f"The address has a password, a query or a fragment. {example}"
        )
    return str(parsed).rstrip("/")


def token_of(token: str | None, address: str) -> str | None:
    """The token without surrounding space, such as the line feed that ends a file."""
    if token is None:
        return None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise NotAllowedError(
            "invalid_token",
            "The token is empty, or has characters that no token has. It is the tracker's setting "
            "admin_token; None is for projects whose results are public.",
        )
    url = httpx.URL(address)
    if url.scheme == "http" and not _is_loopback(url.host):
        warnings.warn(
            f"The token goes to {url.host} unencrypted: everybody on the way can read it and use it. "
            "Use https outside of networks that you trust.",
            stacklevel=4,
        )
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
