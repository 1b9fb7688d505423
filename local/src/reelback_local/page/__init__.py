"""The report of a run as one page that needs nothing else: `.reelback/report.html`."""
