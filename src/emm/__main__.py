"""`python -m emm`: the command line."""

from emm.commands.cli import main

if __name__ == "__main__":
    main()
