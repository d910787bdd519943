-- SPDX-License-Identifier: MIT
-- Wireshark dissector for the message transports of the nanoPU: NDP and Homa, 30 bytes behind the IPv4 header.
-- tshark -X lua_script:nanopu.lua -r FILE, or copy it into the personal plug-in folder.

local NDP_OSDI21, HOMA_HOMA, NDP_HOMA = 153, 154, 155 -- IP protocol numbers of the profiles osdi21 and homa

local flag_names = { { 0x01, "DATA" }, { 0x02, "ACK" }, { 0x04, "NACK" }, { 0x08, "PULL" }, { 0x10, "CHOP" } }

-- Makes the dissector of one layout. `at` has the offsets of the fields whose place differs.
local function make(name, title, pull_name, at)
    local p = Proto(name, title)
    local function field(kind, abbr, text, ...)
        return ProtoField[kind](name .. "." .. abbr, text, ...)
    end
    local f = {
        flags = field("uint8", "flags", "Flags", base.HEX),
        data = field("bool", "flags.data", "Data", 8, nil, 0x01),
        ack = field("bool", "flags.ack", "Acknowledgement", 8, nil, 0x02),
        nack = field("bool", "flags.nack", "Negative acknowledgement", 8, nil, 0x04),
        pull = field("bool", "flags." .. pull_name:lower(), pull_name, 8, nil, 0x08),
        chop = field("bool", "flags.chop", "Payload cut by a switch", 8, nil, 0x10),
        src = field("uint16", "srccontext", "Source context"),
        dst = field("uint16", "dstcontext", "Destination context"),
        len = field("uint16", "msglen", "Message length"),
        offset = field("uint8", "pktoffset", "Packet offset"),
        pull_offset = field("uint16", pull_name:lower() .. "offset", pull_name .. " offset"),
        prio = field("uint8", "grantprio", "Grant priority"),
        id = field("uint16", "msgid", "Message id of the sender"),
        buf = field("uint16", "bufptr", "Buffer of the sender"),
        class = field("uint8", "bufclass", "Buffer size class"),
    }
    p.fields = f

    function p.dissector(buffer, info, tree)
        if buffer:len() < 30 then
            return 0
        end
        local flags = buffer(0, 1):uint()
        local names = {}
        for _, flag in ipairs(flag_names) do
            if math.floor(flags / flag[1]) % 2 == 1 then
                table.insert(names, flag[1] == 0x08 and pull_name or flag[2])
            end
        end
        local what = table.concat(names, "|")
        local sub = tree:add(p, buffer(0, 30), title .. ", " .. what)
        local fl = sub:add(f.flags, buffer(0, 1))
        for _, bit in ipairs({ "data", "ack", "nack", "pull", "chop" }) do
            fl:add(f[bit], buffer(0, 1))
        end
        sub:add(f.src, buffer(1, 2))
        sub:add(f.dst, buffer(3, 2))
        sub:add(f.len, buffer(5, 2))
        sub:add(f.offset, buffer(7, 1))
        sub:add(f.pull_offset, buffer(8, 2))
        if at.prio then
            sub:add(f.prio, buffer(at.prio, 1))
        end
        sub:add(f.id, buffer(at.id, 2))
        sub:add(f.buf, buffer(at.buf, 2))
        sub:add(f.class, buffer(at.class, 1))
        info.cols.protocol = name:upper()
        info.cols.info = string.format("%s %d > %d id %d packet %d of %d bytes", what, buffer(1, 2):uint(),
            buffer(3, 2):uint(), buffer(at.id, 2):uint(), buffer(7, 1):uint(), buffer(5, 2):uint())
        if buffer:len() > 30 then
            Dissector.get("data"):call(buffer(30):tvb(), info, tree)
        end
        return buffer:len()
    end
    return p
end

local ndp = make("ndp_msg", "NDP for messages", "PULL", { id = 10, buf = 12, class = 14 })
local homa = make("homa_msg", "Homa for messages", "GRANT", { prio = 10, id = 11, buf = 13, class = 15 })
local protocols = DissectorTable.get("ip.proto")

protocols:add(NDP_OSDI21, ndp)
protocols:add(NDP_HOMA, ndp)
protocols:add(HOMA_HOMA, homa)
