"""The names of ClearML Hyper-Datasets over the default database."""
