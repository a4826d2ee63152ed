"""Files and corpora."""
