"""Stops the build where a page would load a script, a style, a font or a picture from another place."""

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

_LOADS = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//|<link\b[^>]*\bhref="(?:https?:)?//')


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The page as it is.

    Raises:
        PluginError: it loads something from another place.
    """
    found = _LOADS.search(output)
    if found:
        raise PluginError(f"{page.file.src_uri}: loads from another place: {output[found.start() :][:160]}")
    return output
