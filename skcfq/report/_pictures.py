"""Displays as SVG inside a page: its colours, real text, nothing from elsewhere."""

import dataclasses
import io
import re
import warnings
import xml.etree.ElementTree as ET

from ..plots._drawing import DEPLOYED, GUIDE, REFERENCE

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
INK = "#1f2328"
#: Colours of the pictures, as the page names them: it knows whether it is dark.
COLOURS = {
    REFERENCE["color"]: "var(--reference)",
    DEPLOYED["color"]: "var(--deployed)",
    GUIDE: "var(--guide)",
    INK: "var(--ink)",
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes
    ----------
    svg : str
        One ``svg`` element.
    caption : str
        What there is to see.
    """

    svg: str
    caption: str


def picture(draw, figsize, caption, prefix):
    """Draw with the page's colours.

    Parameters
    ----------
    draw : callable
        Takes the axes.
    figsize : tuple of float
        Inches.
    caption : str
        For people who do not see it, too.
    prefix : str
        Sets its ids apart from those of other pictures.

    Returns
    -------
    Picture
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none", "svg.hashsalt": prefix, "font.size": 9.5, "figure.titlesize": 9.5,
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
        ),
    }  # fmt: skip
    buffer = io.BytesIO()
    with matplotlib.style.context(["default", settings]), warnings.catch_warnings():
        # The browser has fonts of its own, for all letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=figsize, layout="constrained")
        draw(figure.subplots())
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return Picture(inline_svg(buffer.getvalue(), caption, prefix), caption)


def inline_svg(text, caption, prefix):
    """An SVG file as an element of a page.

    Parameters
    ----------
    text : bytes
    caption : str
    prefix : str
        Goes before each id.

    Returns
    -------
    str
    """
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            # Styles of the file would be those of the whole page.
            if child.tag.split("}")[-1] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", f"{prefix}-{element.get('id')}")
        for name, value in element.attrib.items():
            if name == f"{{{XLINK}}}href":
                element.set(name, value.replace("#", f"#{prefix}-", 1))
            elif name in ("style", "clip-path", "fill", "stroke"):
                element.set(name, _page_style(value, prefix))
    width = float(root.get("width").removesuffix("pt"))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {
        "role": "img", "aria-label": caption, "class": "plot",
        "style": f"max-width: {width * 4 / 3:.0f}px",
    }  # fmt: skip
    return ET.tostring(root, encoding="unicode")


def _page_style(value, prefix):
    value = re.sub(r"url\(#", f"url(#{prefix}-", value)
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: COLOURS.get(m[0], m[0]), value)
