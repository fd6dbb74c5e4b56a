"""Where steps run: in their run's process, or each in a pod of its own that is started again when it dies."""
