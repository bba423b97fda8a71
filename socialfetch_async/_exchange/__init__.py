"""One request, whatever it takes: admission, attempts, the circuit breaker, the connection."""
