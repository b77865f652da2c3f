"""The workflow of a case, and its drawing."""
