"""`python -m leadloop` is the `leadloop` command."""

from leadloop.cli import main

if __name__ == "__main__":
    main()
