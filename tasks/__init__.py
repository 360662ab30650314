"""One file a task: data, model, recipe and what is measured. `python -m tasks` lists them."""
