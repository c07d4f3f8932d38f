"""SmVL-nano: a small model that reads drawn Chinese documents, made from nothing by this project alone (README.md)."""
