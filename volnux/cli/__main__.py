"""`python -m volnux.cli`: the tool without its script."""

from volnux.cli import main

if __name__ == "__main__":
    main()
