"""Several gateways as one: who owns a function, and how a call that lands elsewhere gets there."""
