"""How the documentation is built: ``sphinx-build -j 2 -W --keep-going -n docs docs/_build/html``.

Nothing is fetched: names of other packages are set in code font and not linked.
"""

import os
import sys
import warnings
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# Figures are drawn without a screen.
os.environ.setdefault("MPLBACKEND", "agg")

import skcfq
from skcfq.datasets import fetch_adult, fetch_credit_default, fetch_german_credit

project = "skcfq"
author = "the skcfq developers"
version = release = skcfq.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "_templates", "**/README.rst", "paper_rendered"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath"]

# ----- appearance ------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "skcfq"
html_theme_options = {
    "show_prev_next": False,
    "header_links_before_dropdown": 4,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
# Pages without pages below them need no navigation beside them.
html_sidebars = {
    page.stem: []
    for page in Path(__file__).parent.iterdir()
    if page.suffix in (".rst", ".md") and page.stem != "api"
}
html_math_renderer = "mathml"
copyright = "2026, the skcfq developers. BSD-3-Clause"

# ----- reference -------------------------------------------------------------------------------

autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": True}
autodoc_typehints = "none"
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_use_plots = False
# Sections in order, and every parameter documented with its type, in what most people use.
numpydoc_validation_checks = {"GL06", "GL07", "GL08", "PR01", "PR02", "PR04"}
numpydoc_validation_exclude = {
    r"^skcfq\.(actions|estimators|quantization|recourse|training)\.",  # building blocks
    # Records: their fields are in Attributes.
    r"\.(Limit|LimitCheck|Verdict|RecourseResult|AuditResult|GroupTest|GapSketch|OnnxCheck|Packed(Model|Layer)|Encoder|\w+Column)$",
    r"_scorer$",  # called by scikit-learn
    r"^skcfq\.TaskObjective\.prepare$",  # see FaithfulObjective.prepare
}

nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(sklearn|numpy|pandas|torch|skorch|joblib|matplotlib|scipy|json)\..*"),
    (r"py:.*", r"(float|int|bool|str|object|dict|list|tuple)"),
    (r"py:class", r".*(BaseEstimator|ClassifierMixin|CallbackSupportMixin)"),
]


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what scikit-learn, torch and Python's own types bring along."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None)
    if module is None or not module.startswith("skcfq"):
        return True
    return skip


# ----- examples --------------------------------------------------------------------------------


def published_data_are_here():
    """Whether the data files of the audits are at hand; nothing is fetched for the documentation."""
    try:
        for fetch in (fetch_adult, fetch_german_credit, fetch_credit_default):
            fetch(download_if_missing=False)
    except OSError:
        return False
    return True


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Without the data, audits on them are shown but not run.
    "filename_pattern": r"/plot_" if published_data_are_here() else r"/plot_(?!audit_)",
    "ignore_pattern": r"benchmarks|paper|grid_search_adult|__init__",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "parallel": 2,
    "min_reported_time": 1,
    "within_subsection_order": "FileNameSortKey",
}
# An animation-free Agg canvas cannot be shown: plt.show() says so, and the gallery takes the figure.
warnings.filterwarnings("ignore", message=".*non-interactive.*", category=UserWarning)


def write_mathml(writer, node):
    """Write a formula as MathML: browsers show it without a script, and without a network."""
    block = isinstance(node, nodes.math_block)
    writer.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


# ----- results of the paper's grid -------------------------------------------------------------


def render_results(app):
    """Draw tables and figures of the committed results: nothing is computed anew."""
    paper = Path(app.srcdir).parent / "examples" / "paper"
    sys.path.insert(0, str(paper))
    from figures import render
    from paper_store import read_tidy

    render(read_tidy(paper / "results.csv.gz"), Path(app.srcdir) / "paper_rendered")


def setup(app):
    """Connect the hooks."""
    app.connect("builder-inited", render_results)
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.add_html_math_renderer("mathml", (write_mathml, None), (write_mathml, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
