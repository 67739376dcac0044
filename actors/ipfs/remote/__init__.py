"""Where else content may be: a Kubo daemon, trustless gateways and delegated routers, spoken to over HTTP."""
