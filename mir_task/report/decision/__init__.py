"""Which checkpoint to fine-tune, and how sure that is."""
