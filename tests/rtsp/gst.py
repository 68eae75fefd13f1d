#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gst.py PORTFILE LAUNCH [user:password] [CERT KEY]: GStreamer's RTSP server with one stream, /live"""
import os
import sys

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(os.environ.get("GST_PORT", "0"))
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[2])
if len(sys.argv) > 3 and sys.argv[3]:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_digest(*sys.argv[3].split(":"), token)
    if len(sys.argv) > 4:
        with open(sys.argv[4]) as c, open(sys.argv[5]) as k:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_pem(c.read() + k.read(), -1))
    server.set_auth(auth)
    perm = GstRtspServer.RTSPPermissions()
    perm.add_permission_for_role("user", "media.factory.access", True)
    perm.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(perm)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(server.get_bound_port()))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
GLib.timeout_add_seconds(int(os.environ.get("GST_SECONDS", "60")), os._exit, 0)	# should the test die
GLib.MainLoop().run()
