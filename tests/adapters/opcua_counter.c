/* A server of open62541 (1.4 or later) whose counter goes up by one every 50 ms; port as the argument.
 * It knows nothing of the library that the adapter uses. */
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <stdio.h>
#include <stdlib.h>

static UA_Int64 counter = 0;
static UA_UInt16 space;

static void tick(UA_Server *server, void *data) {
    UA_DataValue value;
    (void)data;
    UA_DataValue_init(&value);
    counter++;
    UA_Variant_setScalar(&value.value, &counter, &UA_TYPES[UA_TYPES_INT64]);
    value.hasValue = value.hasSourceTimestamp = true;
    value.sourceTimestamp = UA_DateTime_now();
    UA_Server_writeDataValue(server, UA_NODEID_STRING(space, "Counter"), value);
}

static void add(UA_Server *server, char *name, void *value, const UA_DataType *type) {
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    UA_Variant_setScalar(&attributes.value, value, type);
    UA_Server_addVariableNode(server, UA_NODEID_STRING(space, name), UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES), UA_QUALIFIEDNAME(space, name),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, NULL, NULL);
}

int main(int count, char **words) {
    UA_Server *server = UA_Server_new();
    UA_ServerConfig *config = UA_Server_getConfig(server);
    UA_Double spare = 1.0;
    if(count < 2)
        return 2;
    UA_ServerConfig_setMinimal(config, (UA_UInt16)atoi(words[1]), NULL);
    config->queueSizeLimits.max = 10000;
    space = UA_Server_addNamespace(server, "urn:plant:boiler");
    add(server, "Counter", &counter, &UA_TYPES[UA_TYPES_INT64]);
    add(server, "Spare", &spare, &UA_TYPES[UA_TYPES_DOUBLE]);
    UA_Server_addRepeatedCallback(server, tick, NULL, 50.0, NULL);
    UA_Server_run_startup(server);
    fprintf(stderr, "ready\n");
    for(;;)
        UA_Server_run_iterate(server, true);
}
