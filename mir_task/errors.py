"""The errors a user can cause and mend; each message names what was wrong and what to do."""


class MIRError(ValueError):
    """Base of every error that this package raises on purpose."""


class MIRDataError(MIRError):
    """Images, texts or features that no MIR can be computed from."""


class MIRModelError(MIRError):
    """A model or processor that MIR cannot be measured on."""
