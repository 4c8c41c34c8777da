"""The live view: a page in the browser that shows a run in progress, in this process or another.

`lookout` looks at the run between cycles, `visits` says what one page is shown of it, `server` is
the thread that answers pages, `web` serves the page itself, and `unix` lets another process in.
"""

from graphcore.view.attached import Views, is_watchable
from graphcore.view.figures import figures_of
from graphcore.view.lookout import Lookout, Wanted
from graphcore.view.serving import Serving

__all__ = ["Lookout", "Serving", "Views", "Wanted", "figures_of", "is_watchable"]
