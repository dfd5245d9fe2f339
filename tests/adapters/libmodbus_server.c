/* A Modbus server of another make, strict about its range: holding register n holds n (120 of them), input register n
 * holds 1000 + n (64), coil and discrete input n are on where n is odd (64). Usage: tcp PORT | rtu PATH UNIT. Says
 * "ready" when it listens, and "write FUNCTION" should anybody ever ask for something that does not read. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static modbus_mapping_t *mapping(void)
{
    modbus_mapping_t *map = modbus_mapping_new(64, 64, 120, 64);
    for (int n = 0; map && n < 120; n++)
        map->tab_registers[n] = n;
    for (int n = 0; map && n < 64; n++) {
        map->tab_input_registers[n] = 1000 + n;
        map->tab_bits[n] = map->tab_input_bits[n] = n & 1;
    }
    return map;
}

static int serve(modbus_t *context, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int offset = modbus_get_header_length(context);
    for (;;) {
        int length = modbus_receive(context, query);
        if (length > 0 && query[offset] > 4)
            printf("write %d\n", query[offset]);
        if (length > 0)
            modbus_reply(context, query, length, map);
        else if (length == -1 && errno != EMBBADCRC)
            return errno;
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    modbus_mapping_t *map = mapping();
    if (argc == 3 && !strcmp(argv[1], "tcp")) {
        modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
        int listening = modbus_tcp_listen(context, 1);
        printf("ready\n");
        while (listening >= 0 && modbus_tcp_accept(context, &listening) >= 0) {
            serve(context, map);
            modbus_close(context);
        }
    } else if (argc == 4 && !strcmp(argv[1], "rtu")) {
        modbus_t *context = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
        modbus_set_slave(context, atoi(argv[3]));
        if (modbus_connect(context) == 0) {
            printf("ready\n");
            serve(context, map);
        }
    }
    fprintf(stderr, "%s\n", modbus_strerror(errno));
    return 1;
}
