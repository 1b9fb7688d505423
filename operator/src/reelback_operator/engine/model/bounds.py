"""What a scenario may change in somebody's workload: whoever writes one acts with the rights of the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reelback_operator.engine.model.spec import Release
from reelback_operator.engine.model.workload import FAULTS_VARIABLE

# They decide what code a process runs, or whom it talks to, in most languages' runtimes. No allow-list holds them.
NEVER = (
    *("LD_*", "DYLD_*", "GLIBC_*", "GCONV_PATH", "PATH", "ENV", "BASH_ENV", "IFS", "HOME", "SHELL"),
    *("*_PROXY", "*_proxy", "SSL_CERT_*", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "OPENSSL_*", "KUBERNETES_*"),
    *("PYTHON*", "NODE_*", "RUBY*", "PERL*", "JAVA_*", "JDK_*", "_JAVA_*", "CLASSPATH", "DOTNET_*", "COR*_PROFILER*"),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`variables` are patterns of those that a release may set; `images` are prefixes of those that it may bring,
    beside other tags of the target's own."""

    variables: Sequence[str] = (FAULTS_VARIABLE,)
    images: Sequence[str] = ()

    def refusal(self, release: Release, variable: str, image: str | None) -> str:
        """Why a release may not be brought into a target with this image and release variable; empty if it may."""
        for name in release.patch.env:
            if _matches(name, NEVER) or not _matches(name, self.variables):
                return f"spec.release.patch.env.{name}: this operator lets a release set {', '.join(self.variables)}"
        if _matches(variable, NEVER):
            return f"spec.release.targets[].releaseFrom.variable: {variable} is never written"
        wanted = release.patch.image
        if wanted and repository(wanted) != repository(image or "") and not wanted.startswith(tuple(self.images)):
            allowed = ", ".join(f"{prefix}..." for prefix in self.images)
            also = f", or {allowed}" if allowed else ""
            return f"spec.release.patch.image: must be another tag of {repository(image or '')}{also}"
        return ""


NARROW = Bounds()


def repository(image: str) -> str:
    """An image's name without tag and digest: `registry:5000/team/payment:1.4@sha256:...` is the first part of it."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
