"""Print the table of supported models."""

from mir_task.adapters.families import main

main()
