"""The IPFS HTTP gateway: content by path, as the gateway specs say (https://specs.ipfs.tech/http-gateways/)."""
