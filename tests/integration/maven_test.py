#!/usr/bin/env python3
"""Goal: what Maven's own deploy plugin writes can be run: releases and snapshots, by exact version, RELEASE, a range and
-SNAPSHOT; and an artifact that OpenSSL signed is taken by a node that wants signatures, an unsigned one refused.

Method: Debian's maven deploys the example slice into a folder; a node of one takes it from there over file://.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, build_pricing, example_slice, publish_artifact  # noqa: E402

SKIP = 77
PLUGIN = "org.apache.maven.plugins:maven-deploy-plugin:3.0.0:deploy-file"


def deploy(repository, source, coordinates):
    group, artifact, version = coordinates.split(":")
    subprocess.run(["mvn", "-B", "-q", "-Dstyle.color=never", "-Dmaven.repo.local=/usr/share/maven-repo", PLUGIN, f"-Durl=file://{repository}",
                    "-DrepositoryId=here", f"-DgroupId={group}", f"-DartifactId={artifact}", f"-Dversion={version}",
                    "-Dpackaging=so", f"-Dfile={source}"], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def check(condition, message):
    if not condition:
        raise Failure(message)


def publish(cluster, version, expect=0):
    document = f'name: prices\nslices:\n  - artifact: "org.example:pricing:{version}"\n    instances: 1\n'
    code, out, err = cluster.run("blueprint", "publish", "-", stdin=document)
    check(code == expect, f"publishing {version}: exit {code}: {out}{err}")
    return out + err


def running(cluster):
    return cluster.await_active(1)[0]["artifact"]


def versions_of_maven(folder, slice_file):
    repository = folder / "repository"
    deploy(repository, slice_file, "org.example:pricing:1.0.0")
    with Cluster(1, repositories=[{"id": "maven", "url": f"file://{repository}"}]) as cluster:
        cluster.leader()
        for version in ("1.0.0", "RELEASE", "[1.0,2.0)"):
            publish(cluster, version)
            check(running(cluster) == "org.example:pricing:1.0.0", f"{version} runs {running(cluster)}")
        stored = cluster.ask("blueprint", "get", "prices")
        check("pricing:1.0.0" in str(stored), f"the revision names no exact version: {stored}")
        publish(cluster, "[1.1,2.0)", expect=4)
        check(running(cluster) == "org.example:pricing:1.0.0", "a range that nothing fits has changed something")


def snapshots_of_maven(folder, _):
    repository = folder / "snapshots"
    snapshot = build_pricing(folder, "1.3.0-SNAPSHOT")
    deploy(repository, snapshot, "org.example:pricing:1.3.0-SNAPSHOT")
    with Cluster(1, repositories=[{"id": "maven", "url": f"file://{repository}"}]) as cluster:
        cluster.leader()
        publish(cluster, "1.3.0-SNAPSHOT")
        first = running(cluster)
        check(first.startswith("org.example:pricing:1.3.0-2") and first.endswith("-1"), f"not dated: {first}")
        deploy(repository, snapshot, "org.example:pricing:1.3.0-SNAPSHOT")
        publish(cluster, "LATEST")
        second = running(cluster)
        check(second.startswith("org.example:pricing:1.3.0-2") and second.endswith("-2"), f"not the next one: {second}")
        answer = cluster.ask("call", "org.example:pricing/quote", '{"net-cents": 100, "quantity": 1}')
        check("gross-cents" in str(answer), f"it answers {answer}")


def signed_by_openssl(folder, slice_file):
    repository = folder / "signed"
    key, public = folder / "key.pem", folder / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    target = publish_artifact(repository, slice_file, "org.example:pricing:1.0.0")
    with Cluster(1, repositories=[{"id": "signed", "url": f"file://{repository}"}],
                 extra_config={"security": {"artifact-keys": [str(public)]}}) as cluster:
        cluster.leader()
        check("no .sig beside it" in publish(cluster, "1.0.0", expect=1), "an unsigned artifact is not refused as such")
        subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", target, "-out", f"{target}.sig"],
                       check=True)
        publish(cluster, "1.0.0")
        check(running(cluster) == "org.example:pricing:1.0.0", "the signed artifact doesn't run")


def main():
    if shutil.which("mvn") is None:
        print("maven is not installed (./dev deps)", file=sys.stderr)
        return SKIP
    slice_file = example_slice("pricing")
    with tempfile.TemporaryDirectory(prefix="aether-maven-") as folder:
        for test in (versions_of_maven, snapshots_of_maven, signed_by_openssl):
            test(pathlib.Path(folder), slice_file)
            print(f"ok {test.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
