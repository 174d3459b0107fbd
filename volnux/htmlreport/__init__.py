"""A run as one HTML file, to open in a browser, to send, or to keep: it needs no network.

`html_of` makes it from a run report. With the graph of the run it has a picture of the flow.
"""

from volnux.htmlreport.content import Attempt, LogLine
from volnux.htmlreport.document import html_of
from volnux.htmlreport.versions import versions

__all__ = ["Attempt", "LogLine", "html_of", "versions"]
