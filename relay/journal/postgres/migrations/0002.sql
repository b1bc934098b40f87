-- Large values are compressed by lz4 where the server has it: the default takes several times as long.

do $$
begin
  alter table events alter column body set compression lz4;
  alter table calls alter column text set compression lz4;
  alter table fetched alter column document set compression lz4;
exception when feature_not_supported or invalid_parameter_value then
  null;
end
$$;
