"""``python -m masksdb.cli``: the command line."""

from masksdb.cli.app import main

if __name__ == "__main__":
    main()
