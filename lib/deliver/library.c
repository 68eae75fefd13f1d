/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl and libmosquitto, made ready. */
#include "deliver/library.h"

#include <mosquitto.h>

#include "deliver/curl.h"

int cb_libraries_start(const struct cb_deliver_conf *conf, struct cb_err *err)
{
	bool curl = false, mqtt = false;

	for (uint32_t i = 0; i < conf->n; i++) {
		curl |= conf->outlet[i].kind == CB_OUT_WEBHOOK || conf->outlet[i].kind == CB_OUT_SMTP;
		mqtt |= conf->outlet[i].kind == CB_OUT_MQTT;
	}
	if (curl && cb_curl_global(err) < 0)
		return -1;
	if (mqtt && mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
		return cb_err_set(err, CB_E_OS, "libmosquitto does not start");
	return 0;
}
