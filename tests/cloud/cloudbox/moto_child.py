"""The process that is moto: listens on loopback, tells its port on stdout, dies with its parent.

Two changes to what moto_server is: newlines in S3 keys reach it (its routes are regexes without DOTALL), and it
imports what the first calls need while it waits."""

import ctypes
import os
import signal
import sys
import threading


def main() -> None:
    parent = int(sys.argv[1])
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import logging

    import moto.moto_server.utilities as utilities
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    class Converter(utilities.RegexConverter):
        def __init__(self, url_map, *items):  # type: ignore[no-untyped-def]
            super().__init__(url_map, *items)
            self.regex = "(?s:" + self.regex + ")"

    import moto.moto_server.werkzeug_app as app_module

    app_module.RegexConverter = Converter
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    os.environ["MOTO_PORT"] = str(server.port)
    print(server.port, flush=True)

    def warm() -> None:
        for name in ("moto.ec2.responses", "moto.s3.responses", "moto.sts.responses", "moto.ssm.responses"):
            __import__(name)

    threading.Thread(target=warm, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
