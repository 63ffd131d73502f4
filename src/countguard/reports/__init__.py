"""Tables, figures and one page, from the folder of a study."""

from countguard.reports.report import write_report
from countguard.reports.terminal import summary_table

__all__ = ["summary_table", "write_report"]
