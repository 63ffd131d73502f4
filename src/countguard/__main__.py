"""`python -m countguard`: the command line."""

from countguard.cli import main

if __name__ == "__main__":
    main()
