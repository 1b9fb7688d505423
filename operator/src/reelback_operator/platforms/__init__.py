"""Where releases run: Kubernetes Deployments, or the processes of the local stack."""
