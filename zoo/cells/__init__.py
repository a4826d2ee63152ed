"""The equations of one step."""
